"""Plan -> text -> compiled function: the text one reads, the vector mathematics it calls, the cache it lives in."""
