-- Undoes 026_period_index: the same answers, read from the whole table.
DROP INDEX seller_metrics_daily_tenant_metric_idx;
