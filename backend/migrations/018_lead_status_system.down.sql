-- Undoes 018_lead_status_system: with it go the history of statuses and the counts; leads keep their status.
DROP TRIGGER lead_counts_truncate ON leads;
DROP TRIGGER lead_counts_delete ON leads;
DROP TRIGGER lead_counts_update ON leads;
DROP TRIGGER lead_counts_insert ON leads;
DROP FUNCTION lead_counts_apply();
DROP TABLE lead_counts;
DROP TABLE lead_status_history;
ALTER TABLE leads DROP CONSTRAINT leads_status_fkey;
DROP TABLE lead_status_transitions;
DROP TABLE lead_statuses;
