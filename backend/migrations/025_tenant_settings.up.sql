-- crmctl:stage expand
-- The CEOs of a tenant set what holds for all of it; name and status stay with whoever runs the system.

GRANT UPDATE (time_zone, currency, settings, updated_at) ON tenants TO crm_app;
