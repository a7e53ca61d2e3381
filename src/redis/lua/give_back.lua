-- give_back: what a client kept, or had kept, goes back; and hands over. Sent again it does
-- nothing.
--
-- ARGV: claim, tombstone (microseconds, 0 for none), and for each lock: token, and the last fencing
-- token that the client has given to a user of it. Returns what release_set returns.
local tombstone = tonumber(ARGV[2])

read_clock()
local reply = { 1, false, 0 }
for i = 3, #ARGV, 2 do
  local token = ARGV[i]
  local text = call('HGET', NODES, token)
  draw_up_to(text and parse(text), tonumber(ARGV[i + 1])) -- before anybody is handed the lock
  local found = give_up(token, tombstone)
  reply[1] = math.min(reply[1], found)
  reply[#reply + 1] = found
end
reply[2], reply[3] = rest(), tonumber(call('HGET', NODES, 'born') or 0)
return reply
