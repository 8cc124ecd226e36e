-- Undoes 001_base: with it go every tenant, account and session.
DROP FUNCTION crm_outbox_purge(interval);
DROP FUNCTION crm_outbox_read(bigint, bigint, int);
DROP FUNCTION crm_outbox_position();
DROP FUNCTION crm_tenant_list();
DROP FUNCTION crm_refresh_lookup(bytea);
DROP FUNCTION crm_login_lookup(text);
DROP TABLE scheduled_run;
DROP TABLE job_state;
DROP TABLE scheduler_state;
DROP TABLE outbox;
DROP FUNCTION outbox_wake();
DROP TABLE audit_log;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE tenants;
DROP FUNCTION uuid_v7();
DO $$
BEGIN
  IF to_regclass('public._sqlx_migrations') IS NOT NULL THEN
    REVOKE SELECT ON public._sqlx_migrations FROM crm_app;
  END IF;
END
$$;
