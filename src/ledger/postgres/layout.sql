-- The ledger of shared environments, format 1: one row per environment says who may change it, and one row per
-- record says what was done. Run once, in one transaction. Written by crmctl alone.

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'Leases and journals of the environments that crmctl deploys to.';

CREATE TABLE ledger.layout (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    format int NOT NULL
);
COMMENT ON TABLE ledger.layout IS 'One row: which crmctl can use this schema.';
COMMENT ON COLUMN ledger.layout.single IS 'Always true: there is one row.';
COMMENT ON COLUMN ledger.layout.format IS 'Raised by a crmctl that changes the tables; an older one then refuses to use them.';
INSERT INTO ledger.layout (format) VALUES (1);

CREATE TABLE ledger.lease (
    environment text PRIMARY KEY,
    token bigint NOT NULL DEFAULT 0,
    holder text,
    run text,
    verb text,
    claim text,
    boot text,
    pid_namespace text,
    pid int,
    started bigint,
    since timestamptz,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE ledger.lease IS 'The right to change an environment. It ends by this server''s clock and is never revived.';
COMMENT ON COLUMN ledger.lease.environment IS 'Name of the environment.';
COMMENT ON COLUMN ledger.lease.token IS 'Fencing token of the last lease; it only rises.';
COMMENT ON COLUMN ledger.lease.holder IS 'user@host; null when the lease was given back.';
COMMENT ON COLUMN ledger.lease.run IS 'Run that holds it.';
COMMENT ON COLUMN ledger.lease.verb IS 'What that run does.';
COMMENT ON COLUMN ledger.lease.claim IS 'Random name of one taking, by which a holder whose answer was lost knows its own.';
COMMENT ON COLUMN ledger.lease.boot IS 'Boot of the holder''s machine: on the same one a dead holder is replaced at once.';
COMMENT ON COLUMN ledger.lease.pid_namespace IS 'Where the holder''s process number means something.';
COMMENT ON COLUMN ledger.lease.pid IS 'Its process number.';
COMMENT ON COLUMN ledger.lease.started IS 'When that process started, in clock ticks since boot.';
COMMENT ON COLUMN ledger.lease.since IS 'When it was taken.';
COMMENT ON COLUMN ledger.lease.expires_at IS 'When it ends unless it is renewed before.';

CREATE TABLE ledger.record (
    environment text NOT NULL REFERENCES ledger.lease,
    seq bigint NOT NULL CHECK (seq > 0),
    line text NOT NULL,
    spooled text,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (environment, seq)
);
COMMENT ON TABLE ledger.record IS 'The journal: rows are only ever added, each under the lease.';
COMMENT ON COLUMN ledger.record.environment IS 'Name of the environment.';
COMMENT ON COLUMN ledger.record.seq IS 'From 1, without gaps.';
COMMENT ON COLUMN ledger.record.line IS 'The record as a line of JSON; it carries the SHA-256 of the line before.';
COMMENT ON COLUMN ledger.record.spooled IS 'SHA-256 of the line under which it was kept elsewhere while this server was away; such a line comes in once.';
COMMENT ON COLUMN ledger.record.written_at IS 'When it came in.';
CREATE UNIQUE INDEX record_spooled ON ledger.record (environment, spooled) WHERE spooled IS NOT NULL;

CREATE FUNCTION ledger.refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger.record is append-only';
END
$$;
COMMENT ON FUNCTION ledger.refuse_rewrite() IS 'Keeps the journal append-only.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.record
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewrite();
