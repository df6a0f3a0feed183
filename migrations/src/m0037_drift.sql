-- Identifies the files of a revision's chart; empty if it was not recorded. Added without a rewrite of the table.
ALTER TABLE revisions ADD COLUMN chart_content text NOT NULL DEFAULT '';
-- The images that the containers of a revision run, by digest.
ALTER TABLE revisions ADD COLUMN image_digests jsonb NOT NULL DEFAULT '[]';
