-- Promise of 011_meta_attribution, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'leads.meta_campaign_id', 'leads.meta_campaign_name', 'leads.meta_adset_id',
      'leads.meta_adset_name', 'leads.meta_ad_id', 'leads.meta_ad_name', 'leads.meta_form_id',
      'leads.meta_form_name'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `%` is missing', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'leads_tenant_campaign_idx', 'leads_tenant_form_idx', 'leads_tenant_adset_idx',
      'leads_tenant_ad_idx'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
END
$$;
