-- What waited to leave when a database was restored to an older state is held until an operator decides: nobody knows whether it
-- left after that state was taken. `held_from` is the state before; empty for whatever was never held.
ALTER TABLE delivery ADD COLUMN held_from code_point_text NOT NULL DEFAULT '';
