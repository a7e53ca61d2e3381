-- narrow: a held lock becomes locks on nodes at or below its own, with tokens of their own, in one
-- step; and hands over the rest. Kind, fencing token and end stay. Sent again it does nothing.
--
-- ARGV: claim, token, tombstone (microseconds, 0 for none), the last fencing token of it that its
-- client knows, and for each node that is kept: token, about (the rest of a record). Returns { 1 if
-- they are held, else 0; more }.
local token, tombstone, number, kept = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), {}
for i = 5, #ARGV, 2 do
  kept[#kept + 1] = read_member(ARGV[i], 1, ARGV[i + 1])
end

read_clock()
local text = call('HGET', NODES, token)
local it = text and parse(text)
if not it or it.kind == 0 then
  -- Done before; or late: what was kept then may be gone, and does not come back (I6).
  for _, node in ipairs(kept) do
    local its = call('HGET', NODES, node.token)
    if not its or sub(its, 1, 1) == '0' then
      return { 0, false }
    end
  end
  return { 1, false }
end
if is_undone(token, it, number) then
  return { 0, rest() }
end
local left = time_left(token)
for _, node in ipairs(kept) do
  grant(node.list, counts(NODES, node.list), node.token, it.kind, node.about, left, it.number)
end
give_up(token, tombstone)
return { 1, rest() }
