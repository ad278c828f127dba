"""Connections and pools, over single connections of httpcore; nothing else imports httpcore.

    blocking      connections shared by threads
    asynchronous  connections shared by the tasks of one event loop
    plan          the common part: the way to an origin, and time limits
    foreign       a user's httpx transport instead of connections; the only module here with httpx

Why not a pool of httpcore or httpx: theirs never recover from calls cancelled while connecting
(encode/httpcore#1093, #830), give one connection to both processes of a fork, and slow down with
the square of waiting requests. Here a connection serves one request at a time, in the process that
made it, and an interrupted request closes its own connection and no other.
"""
