-- Promise of 020_seller_figures, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY['metrics_state'] LOOP
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
      'seller_events.seller_id', 'seller_metrics_hourly.seller_id', 'seller_metrics_daily.seller_id'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped AND NOT attnotnull) THEN
      RAISE EXCEPTION 'column `%` is missing or does not take null', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'seller_metrics_hourly_key', 'seller_metrics_hourly_tenant_seller_idx', 'seller_metrics_daily_key',
      'seller_metrics_daily_tenant_seller_idx', 'seller_metrics_daily_standing_idx', 'metrics_state_pkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['seller_events_of_one', 'metrics_state_tenant_fkey', 'metrics_state_differences_counted'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'seller_events UPDATE', 'seller_events DELETE', 'metrics_state SELECT', 'metrics_state INSERT', 'metrics_state UPDATE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
END
$$;
