-- Promise of 025_tenant_settings, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY['time_zone', 'currency', 'settings', 'updated_at'] LOOP
    IF NOT has_column_privilege('crm_app', 'public.tenants', item, 'UPDATE') THEN
      RAISE EXCEPTION 'crm_app lacks the grant to update `tenants.%`', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['id', 'name', 'status'] LOOP
    IF has_column_privilege('crm_app', 'public.tenants', item, 'UPDATE') THEN
      RAISE EXCEPTION 'crm_app may update `tenants.%`', item;
    END IF;
  END LOOP;
END
$$;
