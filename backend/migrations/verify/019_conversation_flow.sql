-- Promise of 019_conversation_flow, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'conversation_history', 'conversation_reads'] LOOP
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
      'leads.first_response_at', 'leads.response_warn_at', 'leads.response_due_at',
      'conversations.response_warn_at', 'conversations.response_due_at'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `%` is missing', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'conversation_history_tenant_conversation_idx', 'conversation_history_tenant_by_idx',
      'conversation_reads_tenant_user_idx', 'leads_tenant_due_idx', 'conversations_tenant_due_idx',
      'conversation_history_pkey', 'conversation_reads_pkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'conversation_history_kind_known', 'conversation_history_conversation_fkey',
      'conversation_history_changed_by_fkey', 'conversation_reads_conversation_fkey',
      'conversation_reads_user_fkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'conversation_history SELECT', 'conversation_history INSERT', 'conversation_reads SELECT',
      'conversation_reads INSERT', 'conversation_reads UPDATE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
END
$$;
