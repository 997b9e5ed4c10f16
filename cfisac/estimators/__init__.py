"""Estimators, one module for each chapter under ``book/estimators``."""
