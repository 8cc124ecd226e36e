-- Promise of 016_notifications, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'notifications', 'notification_settings'] LOOP
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
      'notifications_dedupe_key', 'notifications_tenant_recipient_idx', 'notifications_tenant_entity_idx',
      'notifications_tenant_expiry_idx', 'notifications_pkey', 'notification_settings_pkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'notifications_recipient_fkey', 'notifications_actor_fkey', 'notification_settings_user_fkey',
      'notifications_priority_known', 'notification_settings_quiet_whole'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'notifications SELECT', 'notifications INSERT', 'notifications UPDATE', 'notifications DELETE',
      'notification_settings SELECT', 'notification_settings INSERT', 'notification_settings UPDATE',
      'notification_settings DELETE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.notifications_dedupe_key') AND indisunique
                 AND pg_get_expr(indpred, indrelid) = '(read_at IS NULL)') THEN
    RAISE EXCEPTION 'index `notifications_dedupe_key` is not unique over unread rows';
  END IF;
  -- Reverting 016 alone must stay possible: nobody else may point here.
  IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f'
             AND confrelid IN ('notifications'::regclass, 'notification_settings'::regclass)) THEN
    RAISE EXCEPTION 'a foreign key points to `notifications` or `notification_settings`';
  END IF;
END
$$;
