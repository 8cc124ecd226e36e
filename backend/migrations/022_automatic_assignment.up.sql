-- crmctl:stage expand
-- When each vendedor works, what merging two leads needs (rows that belong to a lead may follow it), and kept counts that
-- many leads in one transaction do not deadlock on.

ALTER TABLE users ADD COLUMN shift jsonb CONSTRAINT users_shift_object CHECK (jsonb_typeof(shift) = 'object');
COMMENT ON COLUMN users.shift IS 'Own working hours, as working_hours of tenants.settings, in the person''s zone; null: those of the tenant.';

CREATE INDEX leads_tenant_merged_phone_idx ON leads (tenant_id, phone) WHERE merged_into IS NOT NULL;
COMMENT ON INDEX leads_tenant_merged_phone_idx IS 'Whoever writes from the number of a merged lead is known.';
CREATE INDEX conversations_tenant_contact_idx ON conversations (tenant_id, channel, contact) WHERE lead_id IS NULL;
COMMENT ON INDEX conversations_tenant_contact_idx IS 'Threads of a stranger: the open one, and who had the ones before.';

-- These stay append-only but for whose they are.
GRANT UPDATE (lead_id) ON lead_submissions, owner_history, assignment_log, lead_status_history TO crm_app;

CREATE OR REPLACE FUNCTION lead_counts_apply() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant bigint := coalesce(nullif(current_setting('app.tenant_id', true), '')::bigint, 0);
  own_slot int := pg_backend_pid() % 32;
  my_slot smallint;
BEGIN
  -- A slot that no other transaction writes: two that change many leads one by one would wait for each other's rows.
  FOR step IN 0 .. 31 LOOP
    my_slot := (own_slot + step) % 32;
    EXIT WHEN pg_try_advisory_xact_lock(hashtextextended('lead_counts', tenant * 32 + my_slot));
    IF step = 31 THEN
      my_slot := own_slot;
      PERFORM pg_advisory_xact_lock(hashtextextended('lead_counts', tenant * 32 + my_slot));
    END IF;
  END LOOP;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO public.lead_counts AS c (tenant_id, lead_source, status, assigned, slot, leads)
    SELECT n.tenant_id, n.lead_source, n.status, n.assigned_seller_id IS NOT NULL, my_slot, count(*)
    FROM new_rows n WHERE NOT n.is_test AND n.merged_into IS NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT lead_counts_pkey DO UPDATE SET leads = c.leads + EXCLUDED.leads;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.lead_counts AS c (tenant_id, lead_source, status, assigned, slot, leads)
    SELECT o.tenant_id, o.lead_source, o.status, o.assigned_seller_id IS NOT NULL, my_slot, -count(*)
    FROM old_rows o WHERE NOT o.is_test AND o.merged_into IS NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT lead_counts_pkey DO UPDATE SET leads = c.leads + EXCLUDED.leads;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.lead_counts AS c (tenant_id, lead_source, status, assigned, slot, leads)
    SELECT d.tenant_id, d.lead_source, d.status, d.assigned, my_slot, sum(d.delta)
    FROM (SELECT n.tenant_id, n.lead_source, n.status, n.assigned_seller_id IS NOT NULL AS assigned, 1 AS delta
          FROM new_rows n WHERE NOT n.is_test AND n.merged_into IS NULL
          UNION ALL
          SELECT o.tenant_id, o.lead_source, o.status, o.assigned_seller_id IS NOT NULL, -1
          FROM old_rows o WHERE NOT o.is_test AND o.merged_into IS NULL) d
    GROUP BY 1, 2, 3, 4 HAVING sum(d.delta) <> 0 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT lead_counts_pkey DO UPDATE SET leads = c.leads + EXCLUDED.leads;
  ELSE
    DELETE FROM public.lead_counts;
  END IF;
  RETURN NULL;
END
$$;
