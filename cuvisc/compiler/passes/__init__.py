"""Rewrites of typed graphs and programs, in the order an export runs them; every one leaves a program that verifies."""
