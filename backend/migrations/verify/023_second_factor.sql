-- Promise of 023_second_factor, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.second_factors') AND relrowsecurity AND relforcerowsecurity) THEN
    RAISE EXCEPTION 'table `second_factors` is missing or its row-level security is not forced';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('public.second_factors') AND polname = 'second_factors_tenant'
                 AND polcmd = '*' AND polroles = ARRAY['crm_app'::regrole::oid]
                 AND pg_get_expr(polqual, polrelid) LIKE '%app.tenant_id%'
                 AND pg_get_expr(polwithcheck, polrelid) LIKE '%app.tenant_id%') THEN
    RAISE EXCEPTION 'policy `second_factors_tenant` is missing or was changed';
  END IF;
  FOREACH item IN ARRAY ARRAY['secret', 'confirmed_at', 'last_step', 'recovery'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.second_factors') AND attname = item AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `second_factors.%` is missing', item;
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.second_factors_pkey') AND indisvalid AND indisready) THEN
    RAISE EXCEPTION 'index `second_factors_pkey` is missing or invalid';
  END IF;
  FOREACH item IN ARRAY ARRAY['second_factors_secret_size', 'second_factors_user_fkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP
    IF NOT has_table_privilege('crm_app', 'second_factors', item) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `second_factors %`', item;
    END IF;
  END LOOP;
END
$$;
