-- in_use: what a client may keep is in use, and will not be kept when its user lets go. From now on
-- it is in the way like any lock. Sent again it does nothing.
--
-- ARGV: claim, and for each lock: token, and the fencing token of its user, which the record has
-- from now on. Returns { 1 if all of them are held, else 0; more }.
read_clock()
local all = 1
for i = 2, #ARGV, 2 do
  local token, fence = ARGV[i], tonumber(ARGV[i + 1])
  local text = call('HGET', NODES, token)
  local it = text and parse(text)
  if not it or it.kind == 0 then
    all = 0
  elseif it.client ~= '' and fence >= it.number then
    draw_up_to(it, fence)
    local about = digits('%.0f,0,%s,%d,', it.lease, it.client, #it.owner) .. it.owner .. it.path
    call('HSET', NODES, token, record(it.kind, fence, it.version, about))
  end
end
return { all, rest() }
