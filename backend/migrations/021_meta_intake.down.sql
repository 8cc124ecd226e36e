-- Undoes 021_meta_intake: with it go the forms with their watermarks; pages, inbox, leads and submissions stay.
DROP FUNCTION crm_meta_adopt(text);
DROP FUNCTION crm_meta_claim(int, interval);
DROP FUNCTION crm_meta_store(jsonb);
DROP POLICY meta_pages_gate ON meta_pages;
DROP POLICY meta_lead_inbox_gate ON meta_lead_inbox;
REVOKE SELECT (tenant_id, page_id) ON meta_pages FROM crm_gate;
REVOKE SELECT, INSERT, UPDATE ON meta_lead_inbox FROM crm_gate;
REVOKE INSERT ON meta_lead_inbox FROM crm_app;
DROP TABLE meta_forms;
ALTER TABLE meta_pages DROP COLUMN problem, DROP COLUMN checked_at, DROP COLUMN status_since;
DROP INDEX leads_tenant_mail_idx;
DROP INDEX lead_submissions_tenant_page_idx;
DROP INDEX meta_lead_inbox_tenant_form_idx;
DROP INDEX meta_lead_inbox_tenant_page_idx;
COMMENT ON COLUMN meta_lead_inbox.reason IS NULL;
ALTER TABLE meta_lead_inbox DROP COLUMN answer, DROP COLUMN webhook_at, DROP COLUMN submitted_at;
