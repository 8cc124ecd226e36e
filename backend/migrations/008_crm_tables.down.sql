-- Undoes 008_crm_tables: with it go all leads, conversations and messages.
DROP TABLE messages;
DROP TABLE conversations;
DROP TABLE owner_history;
DROP TABLE leads;
DROP FUNCTION crm_fold(text);
