-- crmctl:stage expand
-- Few metrics of a period, as the dashboard asks for them, without reading all that a tenant ever did. The columns are those
-- that never change, so that raising a cell writes no index.

CREATE INDEX seller_metrics_daily_tenant_metric_idx ON seller_metrics_daily (tenant_id, metric, day);
COMMENT ON INDEX seller_metrics_daily_tenant_metric_idx IS 'Few metrics over a period.';
