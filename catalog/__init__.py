"""The domain: taxonomy, feeds, products, images, splits and scores, as plain functions of tables."""
