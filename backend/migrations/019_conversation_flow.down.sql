-- Undoes 019_conversation_flow: with it go closings, reading marks and due times; conversations and messages stay.
DROP INDEX conversations_tenant_due_idx;
DROP INDEX leads_tenant_due_idx;
ALTER TABLE conversations DROP COLUMN response_due_at, DROP COLUMN response_warn_at;
ALTER TABLE leads DROP COLUMN response_due_at, DROP COLUMN response_warn_at, DROP COLUMN first_response_at;
DROP TABLE conversation_reads;
DROP TABLE conversation_history;
