"""Projections looked at by people, by language models or by gold: what is asked, the answers, and what they change."""
