"""The published bounds, one module for each chapter under ``book/limits``."""
