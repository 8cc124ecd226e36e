-- Promise of 001_base, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'tenants', 'users', 'sessions', 'refresh_tokens', 'audit_log', 'outbox'] LOOP
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.' || item) AND relrowsecurity AND relforcerowsecurity) THEN
      RAISE EXCEPTION 'table `%` is missing or its row-level security is not forced', item;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('public.' || item) AND polname = item || '_tenant'
                   AND polcmd = '*' AND polroles = ARRAY['crm_app'::regrole::oid]
                   AND pg_get_expr(polqual, polrelid) LIKE '%app.tenant_id%'
                   AND pg_get_expr(polwithcheck, polrelid) LIKE '%app.tenant_id%') THEN
      RAISE EXCEPTION 'policy `%_tenant` is missing or was changed', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'tenants_pkey', 'users_pkey', 'users_email_key', 'users_tenant_role_idx', 'sessions_pkey',
      'sessions_tenant_user_idx', 'sessions_tenant_expiry_idx', 'refresh_tokens_pkey',
      'refresh_tokens_token_hash_key', 'refresh_tokens_tenant_session_idx',
      'refresh_tokens_tenant_replaced_by_idx', 'audit_log_pkey', 'audit_log_tenant_created_idx',
      'audit_log_tenant_actor_idx', 'audit_log_tenant_entity_idx', 'outbox_pkey', 'outbox_xact_id_idx',
      'outbox_tenant_recipient_idx', 'outbox_created_idx', 'scheduler_state_pkey', 'job_state_pkey',
      'scheduled_run_pkey', 'scheduled_run_job_scheduled_for_key', 'scheduled_run_open_idx',
      'scheduled_run_success_idx', 'scheduled_run_finished_idx'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'users_tenant_fkey', 'sessions_user_fkey', 'refresh_tokens_session_fkey',
      'refresh_tokens_replaced_by_fkey', 'audit_log_tenant_fkey', 'audit_log_actor_fkey',
      'outbox_tenant_fkey', 'outbox_recipient_fkey', 'tenants_time_zone_known', 'users_email_lowercase',
      'users_role_known', 'scheduler_state_one_row', 'scheduled_run_finished_with_outcome',
      'scheduled_run_claim_has_lease'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'tenants SELECT', 'users SELECT', 'users INSERT', 'users UPDATE', 'sessions SELECT',
      'sessions INSERT', 'sessions UPDATE', 'sessions DELETE', 'refresh_tokens SELECT',
      'refresh_tokens INSERT', 'refresh_tokens UPDATE', 'refresh_tokens DELETE', 'audit_log SELECT',
      'audit_log INSERT', 'outbox SELECT', 'outbox INSERT', 'job_state SELECT', 'job_state INSERT',
      'job_state UPDATE', 'job_state DELETE', 'scheduled_run SELECT', 'scheduled_run INSERT',
      'scheduled_run UPDATE', 'scheduled_run DELETE', 'scheduler_state SELECT', 'scheduler_state UPDATE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['tenants_gate', 'users_gate', 'sessions_gate', 'refresh_tokens_gate', 'outbox_gate_read', 'outbox_gate_purge'] LOOP
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polname = item AND polroles = ARRAY['crm_gate'::regrole::oid]) THEN
      RAISE EXCEPTION 'policy `%` is missing', item;
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'outbox'::regclass AND tgname = 'outbox_wake' AND tgenabled = 'O') THEN
    RAISE EXCEPTION 'trigger `outbox_wake` is missing or switched off';
  END IF;
  FOREACH item IN ARRAY ARRAY['crm_login_lookup(text)', 'crm_refresh_lookup(bytea)', 'crm_tenant_list()', 'crm_outbox_position()',
      'crm_outbox_read(bigint,bigint,integer)', 'crm_outbox_purge(interval)'] LOOP
    IF NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('public.' || item) AND prosecdef
                   AND proowner = 'crm_gate'::regrole AND proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) THEN
      RAISE EXCEPTION 'function `%` is missing, not owned by crm_gate, or without a fixed search_path', item;
    END IF;
    IF NOT has_function_privilege('crm_app', 'public.' || item, 'EXECUTE') THEN
      RAISE EXCEPTION 'crm_app may not call `%`', item;
    END IF;
    IF EXISTS (SELECT FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               WHERE p.oid = to_regprocedure('public.' || item) AND a.grantee = 0) THEN
      RAISE EXCEPTION 'everybody may call `%`', item;
    END IF;
  END LOOP;
  IF to_regclass('public._sqlx_migrations') IS NOT NULL AND NOT has_table_privilege('crm_app', 'public._sqlx_migrations', 'SELECT') THEN
    RAISE EXCEPTION 'crm_app may not read `_sqlx_migrations`';
  END IF;
  IF has_table_privilege('crm_app', 'audit_log', 'UPDATE') OR has_table_privilege('crm_app', 'audit_log', 'DELETE') THEN
    RAISE EXCEPTION 'crm_app may rewrite `audit_log`';
  END IF;
  IF has_schema_privilege('crm_gate', 'public', 'CREATE') OR has_schema_privilege('crm_app', 'public', 'CREATE') THEN
    RAISE EXCEPTION 'crm_app or crm_gate may create in schema `public`';
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname IN ('crm_app', 'crm_gate') AND (rolsuper OR rolbypassrls)) THEN
    RAISE EXCEPTION 'crm_app or crm_gate passes row-level security by';
  END IF;
  IF (SELECT count(*) FROM scheduler_state) <> 1 THEN
    RAISE EXCEPTION 'table `scheduler_state` does not hold exactly one row';
  END IF;
END
$$;
