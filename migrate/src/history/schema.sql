-- What crmctl keeps in a migrated database. Run once, in one transaction, under the migration lock.
-- `public._sqlx_migrations` has sqlx's exact shape and stays the authority on what is applied, so that an
-- application which migrates at start agrees with us; the schema `crmctl` holds what sqlx has no place for.

CREATE TABLE IF NOT EXISTS public._sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);

CREATE SCHEMA IF NOT EXISTS crmctl;
COMMENT ON SCHEMA crmctl IS 'History of this database''s migrations, format 1. Written by crmctl alone.';

CREATE TABLE crmctl.fence (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    token bigint NOT NULL
);
COMMENT ON TABLE crmctl.fence IS 'One row: the newest run that changed this database. Each change first sets its own token here and gives up when a greater one is found.';
COMMENT ON COLUMN crmctl.fence.single IS 'Always true: there is one row.';
COMMENT ON COLUMN crmctl.fence.token IS 'Fencing token of the newest run.';
INSERT INTO crmctl.fence (token) VALUES (0);

CREATE TABLE crmctl.migration (
    version bigint PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('expand', 'backfill', 'contract')),
    checksum bytea NOT NULL,
    down_sql text NOT NULL,
    down_digest text NOT NULL,
    verify_digest text NOT NULL,
    irreversible text,
    created text[] NOT NULL DEFAULT '{}',
    altered text[] NOT NULL DEFAULT '{}',
    token bigint NOT NULL,
    run text NOT NULL,
    actor text NOT NULL,
    host text NOT NULL,
    started_at timestamptz NOT NULL,
    applied_at timestamptz,
    reverted_at timestamptz,
    reverted_run text,
    reverted_by text
);
COMMENT ON TABLE crmctl.migration IS 'The last time each migration was applied, and its way back as it was then.';
COMMENT ON COLUMN crmctl.migration.version IS 'Number of the migration.';
COMMENT ON COLUMN crmctl.migration.name IS 'Its name, from the file name.';
COMMENT ON COLUMN crmctl.migration.stage IS 'expand, backfill or contract, as its header declared.';
COMMENT ON COLUMN crmctl.migration.checksum IS 'SHA-384 of the up file with LF line ends, as in _sqlx_migrations.';
COMMENT ON COLUMN crmctl.migration.down_sql IS 'The down file as it was when the migration was applied: what a revert runs.';
COMMENT ON COLUMN crmctl.migration.down_digest IS 'sha256: digest of down_sql.';
COMMENT ON COLUMN crmctl.migration.verify_digest IS 'sha256: digest of the verify file that passed.';
COMMENT ON COLUMN crmctl.migration.irreversible IS 'Why it must not be reverted, when its header said so.';
COMMENT ON COLUMN crmctl.migration.created IS 'Objects it created, by kind and name: a revert of another migration that removes one is refused.';
COMMENT ON COLUMN crmctl.migration.altered IS 'Objects it changed in place, by kind and name.';
COMMENT ON COLUMN crmctl.migration.token IS 'Fencing token of the run that applied it.';
COMMENT ON COLUMN crmctl.migration.run IS 'Run that applied it.';
COMMENT ON COLUMN crmctl.migration.actor IS 'Who started that run.';
COMMENT ON COLUMN crmctl.migration.host IS 'Machine that run was started on.';
COMMENT ON COLUMN crmctl.migration.started_at IS 'When its first statement ran.';
COMMENT ON COLUMN crmctl.migration.applied_at IS 'When it was complete and verified; null while a migration without a transaction is unfinished.';
COMMENT ON COLUMN crmctl.migration.reverted_at IS 'When it was reverted; null while it is applied.';
COMMENT ON COLUMN crmctl.migration.reverted_run IS 'Run that reverted it.';
COMMENT ON COLUMN crmctl.migration.reverted_by IS 'Who started the run that reverted it.';

CREATE TABLE crmctl.migration_step (
    version bigint NOT NULL REFERENCES crmctl.migration ON DELETE CASCADE,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    ordinal int NOT NULL CHECK (ordinal > 0),
    digest text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (version, direction, ordinal)
);
COMMENT ON TABLE crmctl.migration_step IS 'Journal of migrations that run without a transaction, statement by statement.';
COMMENT ON COLUMN crmctl.migration_step.version IS 'Number of the migration.';
COMMENT ON COLUMN crmctl.migration_step.direction IS 'up or down.';
COMMENT ON COLUMN crmctl.migration_step.ordinal IS 'Place of the statement in its file, from 1.';
COMMENT ON COLUMN crmctl.migration_step.digest IS 'sha256: digest of the statement.';
COMMENT ON COLUMN crmctl.migration_step.started_at IS 'When it was begun.';
COMMENT ON COLUMN crmctl.migration_step.finished_at IS 'When it was seen to be done; null when a run died in between.';

CREATE TABLE crmctl.migration_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    version bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('adopted', 'started', 'applied', 'reverted')),
    token bigint NOT NULL,
    run text NOT NULL,
    actor text NOT NULL,
    host text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE crmctl.migration_event IS 'Everything that was ever done to the schema; rows are only ever added.';
COMMENT ON COLUMN crmctl.migration_event.id IS 'Order of the events.';
COMMENT ON COLUMN crmctl.migration_event.at IS 'When it happened.';
COMMENT ON COLUMN crmctl.migration_event.version IS 'Number of the migration.';
COMMENT ON COLUMN crmctl.migration_event.kind IS 'adopted: found applied by another tool. started: a migration without a transaction began. applied, reverted: complete.';
COMMENT ON COLUMN crmctl.migration_event.token IS 'Fencing token of the run.';
COMMENT ON COLUMN crmctl.migration_event.run IS 'The run.';
COMMENT ON COLUMN crmctl.migration_event.actor IS 'Who started it.';
COMMENT ON COLUMN crmctl.migration_event.host IS 'Machine it was started on.';
COMMENT ON COLUMN crmctl.migration_event.detail IS 'Checksums, consents and counts.';

CREATE FUNCTION crmctl.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'crmctl.migration_event is append-only';
END
$$;
COMMENT ON FUNCTION crmctl.refuse_rewrite() IS 'Keeps migration_event append-only.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crmctl.migration_event
  FOR EACH STATEMENT EXECUTE FUNCTION crmctl.refuse_rewrite();
