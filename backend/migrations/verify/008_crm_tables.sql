-- Promise of 008_crm_tables, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'leads', 'owner_history', 'conversations', 'messages'] LOOP
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
      'leads_tenant_phone_key', 'leads_tenant_created_idx', 'leads_tenant_status_idx',
      'leads_tenant_seller_idx', 'leads_tenant_name_idx', 'leads_tenant_email_idx',
      'leads_tenant_merged_idx', 'owner_history_tenant_lead_idx', 'owner_history_tenant_to_idx',
      'owner_history_tenant_from_idx', 'conversations_one_open_per_lead_key',
      'conversations_tenant_lead_idx', 'conversations_tenant_open_idx',
      'conversations_tenant_waiting_idx', 'conversations_tenant_created_idx',
      'conversations_tenant_last_idx', 'messages_tenant_conversation_idx', 'messages_tenant_created_idx',
      'messages_tenant_author_idx', 'messages_tenant_reply_idx', 'leads_pkey', 'owner_history_pkey',
      'conversations_pkey', 'messages_pkey', 'messages_provider_id_key'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'leads_tenant_fkey', 'leads_assigned_seller_fkey', 'leads_merged_into_fkey',
      'owner_history_lead_fkey', 'owner_history_from_fkey', 'owner_history_to_fkey',
      'owner_history_changed_by_fkey', 'conversations_tenant_fkey', 'conversations_lead_fkey',
      'conversations_assigned_seller_fkey', 'messages_conversation_fkey', 'messages_author_fkey',
      'leads_phone_e164', 'leads_not_merged_into_itself', 'conversations_has_someone',
      'conversations_closed_waits_no_more', 'messages_direction_fits_author', 'messages_user_is_named'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'leads SELECT', 'leads INSERT', 'leads UPDATE', 'owner_history SELECT', 'owner_history INSERT',
      'conversations SELECT', 'conversations INSERT', 'conversations UPDATE', 'messages SELECT',
      'messages INSERT', 'messages UPDATE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
  IF crm_fold('José ÑANDÚ') <> 'jose nandu' THEN
    RAISE EXCEPTION 'function `crm_fold` keeps case or accents';
  END IF;
END
$$;
