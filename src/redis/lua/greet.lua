-- The second part of hello, which is for servers that have not been greeted.
local mine = server
server = false
