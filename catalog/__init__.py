"""What a taxonomy, a feed, a product, an image, a split and a score are: plain functions, tables in and out."""
