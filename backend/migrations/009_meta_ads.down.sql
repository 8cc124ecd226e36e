-- Undoes 009_meta_ads: with it go the forms sent and the inbox; leads stay, without their id at Meta.
DROP TABLE meta_lead_inbox;
DROP TABLE lead_submissions;
DROP INDEX leads_tenant_meta_list_idx;
DROP INDEX leads_tenant_meta_lead_key;
ALTER TABLE leads DROP COLUMN meta_lead_id;
