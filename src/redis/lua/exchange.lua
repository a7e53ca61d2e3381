-- exchange: a lock that its client keeps becomes the locks that are held below it, in one step; and
-- hands over the rest. They have tokens and fencing tokens of their own, and its end. They are in
-- the way like any lock. Sent again it does nothing.
--
-- ARGV: claim, token, the last fencing token that was given to anybody below, tombstone
-- (microseconds, 0 for none), and for each lock: token, kind, fencing token, about (the rest of a
-- record). Returns what release_set returns: whether each of them is held.
local token, last, tombstone, parts = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), {}
for i = 5, #ARGV, 4 do
  parts[#parts + 1] = read_member(ARGV[i], ARGV[i + 1], ARGV[i + 3])
  parts[#parts].fence = tonumber(ARGV[i + 2])
end

read_clock()
local text = call('HGET', NODES, token)
local it = text and parse(text)
if it and it.kind > 0 then
  draw_up_to(it, last) -- before anybody is handed a lock
  local left = time_left(token)
  for _, part in ipairs(parts) do
    -- What lies under a tombstone was given back.
    if not call('HGET', NODES, part.token) then
      local held = counts(NODES, part.list)
      grant(part.list, held, part.token, part.kind, part.about, left, part.fence)
    end
  end
  give_up(token, tombstone)
end
local reply = { it and it.kind > 0 and 1 or 0, false, 0 }
for _, part in ipairs(parts) do
  -- If even the lock is not known while a grace period is open, all was forgotten: the renewals of
  -- its parts put them back.
  local its = call('HGET', NODES, part.token)
  reply[#reply + 1] = (its and sub(its, 1, 1) ~= '0' or not it and not its and grace > 0) and 1 or 0
end
reply[2] = rest()
return reply
