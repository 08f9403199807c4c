"""AI Watch Buddy over HTTP and WebSocket, on Litestar.

    app         create_app: the server of its own; listen and server_config: how it is run
    plugin      WatchBuddyPlugin: the same routes in any Litestar application
    rest        /api/v1/sessions
    websocket   /ws/{session_id}
    security    which browsers may talk to it
    errors      what went wrong, as HTTP says it
    serving     the server inside a program that does something beside it
    cli         the command line, with its demo and its terminal

No rule about watching lives here: what is sent when is decided in `watchbuddy_core`.
"""
