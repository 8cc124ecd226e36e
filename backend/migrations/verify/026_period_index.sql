-- Promise of 026_period_index, checked on the catalogs; run in a transaction that is rolled back.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.seller_metrics_daily_tenant_metric_idx')
                 AND indisvalid AND indisready) THEN
    RAISE EXCEPTION 'index `seller_metrics_daily_tenant_metric_idx` is missing or invalid';
  END IF;
END
$$;
