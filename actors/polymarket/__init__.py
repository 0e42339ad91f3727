"""What Polymarket says and how it is asked: channel, events, HTTP sources."""
