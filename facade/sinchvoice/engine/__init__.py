"""Connections of our own, over httpcore's single ones: the only room that knows httpcore.

    blocking      connections that threads share
    asynchronous  connections that tasks of one event loop share
    plan          what both know: how to get to an origin, and until when to wait
    foreign       a user's httpx transport in place of them: the only module that knows httpx

Why not a pool of httpcore or httpx: theirs never recover from calls that are cancelled while they
connect (encode/httpcore#1093, #830), hand one connection to both sides of a fork, and get slower
with the square of waiting requests. Here a connection is used by one request at a time, by the
process that made it, and what interrupts a request closes it, and no other.
"""
