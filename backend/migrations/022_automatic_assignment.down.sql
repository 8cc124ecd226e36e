-- Undoes 022_automatic_assignment: shifts go; leads that were merged stay so.
REVOKE UPDATE (lead_id) ON lead_submissions, owner_history, assignment_log, lead_status_history FROM crm_app;
DROP INDEX conversations_tenant_contact_idx;
DROP INDEX leads_tenant_merged_phone_idx;
ALTER TABLE users DROP COLUMN shift;

CREATE OR REPLACE FUNCTION lead_counts_apply() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  my_slot smallint := pg_backend_pid() % 32;
BEGIN
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
