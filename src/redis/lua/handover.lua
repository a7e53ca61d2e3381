-- handover: goes on where another call stopped because there was more to hand over than one call
-- should do.
--
-- ARGV: claim, path, below, cursor: as in the `more` of a reply. Returns { more }.
local _, path, below, cursor = unpack(ARGV)
hand_over(path, below == '1', cursor)
return { rest() }
