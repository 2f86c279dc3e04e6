"""Asks providers: durable, paced, capped, retried."""
