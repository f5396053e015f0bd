"""Column names of shops' own feeds, in several languages, for each attribute of Merchant Center."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Compared without case, accents and separators: `Artikel-Nr.` is `artikelnr`. Earlier words are more usual.
COLUMN_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": (
            "sku", "artikelnummer", "artikelnr", "artnr", "artikelid", "produktid", "produktnummer", "productid",
            "productnumber", "itemid", "itemnumber", "articlenumber", "articleid", "artikel", "bestellnummer",
            "referenz", "reference", "referencia", "nummer", "offerid", "code",
        ),
        "title": (
            "titel", "name", "bezeichnung", "produktname", "artikelbezeichnung", "artikelname", "produkttitel",
            "titulo", "productname", "producttitle", "productdisplayname", "itemname", "nom", "nombre", "titre",
            "nome", "libelle",
        ),
        "image_link": (
            "bild", "bildurl", "bildlink", "hauptbild", "produktbild", "image", "imageurl", "imgurl", "img", "imagesrc",
            "mainimage", "mainimageurl", "picture", "pictureurl", "photo", "photourl", "foto", "fotourl", "imagen",
            "immagine", "urlimage", "urlbild", "imagehref", "imagefile",
        ),
        "google_product_category": (
            "googlekategorie", "googleproduktkategorie", "googlecategory", "googleproductcategoryid",
            "googlecategoryid", "googletaxonomy", "gpc",
        ),
        "product_type": (
            "kategorie", "warengruppe", "produkttyp", "produktart", "produktkategorie", "kategoriepfad",
            "artikelgruppe", "sortiment", "category", "categories", "categorypath", "productcategory",
            "categorie", "categoria", "articletype", "label", "class", "rubrik",
        ),
        "description": (
            "beschreibung", "produktbeschreibung", "artikelbeschreibung", "langtext", "kurzbeschreibung", "text",
            "longdescription", "descripcion", "descrizione", "productdescription",
        ),
        "additional_image_link": (
            "weiterebilder", "zusatzbilder", "additionalimages", "additionalimagelinks", "moreimages", "bilder",
            "images",
        ),
        "brand": ("marke", "hersteller", "manufacturer", "marque", "marca", "brandname"),
        "price": ("preis", "verkaufspreis", "bruttopreis", "vkpreis", "prix", "precio", "prezzo", "listprice"),
        "availability": ("verfugbarkeit", "verfuegbarkeit", "disponibilite", "disponibilidad", "lieferstatus"),
        "gtin": ("ean", "eancode", "ean13", "gtin13", "gtin14", "barcode", "upc", "isbn"),
        "color": ("farbe", "farbton", "colour", "couleur", "basecolour", "colore"),
        "pattern": ("muster", "dessin", "motif"),
        "material": ("werkstoff", "materialzusammensetzung", "matiere", "stoff"),
        "size": ("grosse", "groesse", "taille", "konfektionsgrosse", "talla"),
        "gender": ("geschlecht", "genre", "zielgruppe", "sex"),
        "age_group": ("altersgruppe", "alter", "agegroups"),
        "item_group_id": (
            "variantengruppe", "artikelgruppenid", "gruppenid", "parentid", "parentsku", "masterid", "masterartikel",
            "styleid", "groupid", "modell", "hauptartikelnummer",
        ),
    }
)  # fmt: skip
