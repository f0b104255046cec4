-- The signature over the component as it was uploaded, so that a promotion can check it by the signers of its own
-- environment; NULL for unsigned ones.
ALTER TABLE revisions ADD COLUMN signature BLOB;
