"""Releases of a protocol: recording one, and what changed since that peers or users would notice.

    release    what of a protocol a release promises
    lock_write the promise as text (NAME.lock)
    lock_read  and back
    report     a break: where, which rule, and which side it hurts
    compare    two releases, by way of compare_messages, _types, _packets and _conversations
"""
