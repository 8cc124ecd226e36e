-- Promise of 015_seller_assignment, checked on the catalogs; run in a transaction that is rolled back. The keys of
-- facts and rollups are 020's since that one is applied.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'assignment_rules', 'assignment_log', 'seller_events', 'seller_metrics_hourly',
      'seller_metrics_daily'] LOOP
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
      'leads.assigned_at', 'conversations.assigned_at'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `%` is missing', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'assignment_rules_tenant_priority_idx', 'assignment_log_tenant_created_idx',
      'assignment_log_tenant_to_idx', 'assignment_log_tenant_lead_idx',
      'assignment_log_tenant_conversation_idx', 'assignment_log_tenant_rule_idx',
      'seller_events_tenant_seller_idx', 'seller_events_tenant_occurred_idx',
      'seller_events_tenant_lead_idx', 'seller_events_tenant_conversation_idx',
      'assignment_rules_pkey', 'assignment_rules_name_key', 'assignment_log_pkey', 'seller_events_pkey',
      'seller_events_natural_key'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'assignment_rules_tenant_fkey', 'assignment_rules_created_by_fkey', 'assignment_log_lead_fkey',
      'assignment_log_conversation_fkey', 'assignment_log_from_fkey', 'assignment_log_to_fkey',
      'assignment_log_by_fkey', 'assignment_log_rule_fkey', 'seller_metrics_hourly_seller_fkey',
      'seller_metrics_daily_seller_fkey', 'assignment_log_changes_owner'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'assignment_rules SELECT', 'assignment_rules INSERT', 'assignment_rules UPDATE',
      'assignment_rules DELETE', 'assignment_log SELECT', 'assignment_log INSERT', 'seller_events SELECT',
      'seller_events INSERT', 'seller_metrics_hourly SELECT', 'seller_metrics_hourly INSERT',
      'seller_metrics_hourly UPDATE', 'seller_metrics_hourly DELETE', 'seller_metrics_daily SELECT',
      'seller_metrics_daily INSERT', 'seller_metrics_daily UPDATE', 'seller_metrics_daily DELETE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
END
$$;
