-- inspect: would a lock be refused right now? Takes nothing; like acquire it first takes away what
-- is in the way and has expired.
--
-- ARGV: claim, kind, path. Returns { FREE, REFUSED, or AGAIN: that was more than one call takes
-- away; or KEPT: as for acquire; more }.
local FREE, REFUSED, AGAIN, KEPT = 0, 1, 3, 5
local _, kind, path = unpack(ARGV)
local list = chain(path)
kind = tonumber(kind)

read_clock()
reap(MAX_ASIDE)
local held, _, at, _, _, expired = look(list, kind, nil)
local kept = at and not expired and recall(list, held, kind, nil, false)
return { expired and AGAIN or kept and KEPT or at and REFUSED or FREE, rest() }
