"""German words of shops' product types and the English words of Google's taxonomy for them.

They only help to propose a category to a person who confirms it. Keys are in lower case, singular or plural as shops
write them; a compound such as `Damenschuhe` is found by its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GERMAN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        # clothing
        "bekleidung": "clothing", "kleidung": "clothing", "mode": "clothing", "kleid": "dresses", "kleider": "dresses",
        "oberteile": "shirts tops", "hemd": "shirts tops", "hemden": "shirts tops", "bluse": "shirts tops",
        "blusen": "shirts tops", "pullover": "shirts tops", "pulli": "shirts tops", "sweatshirt": "shirts tops",
        "shirt": "shirts tops", "shirts": "shirts tops", "t-shirt": "shirts tops", "t-shirts": "shirts tops",
        "polo": "shirts tops", "longsleeve": "shirts tops", "top": "shirts tops", "tops": "shirts tops",
        "strickjacke": "shirts tops", "hoodie": "shirts tops", "hose": "pants", "hosen": "pants", "jeans": "pants",
        "leggings": "pants", "rock": "skirts", "röcke": "skirts", "jacke": "coats jackets outerwear",
        "jacken": "coats jackets outerwear", "mantel": "coats jackets outerwear", "mäntel": "coats jackets outerwear",
        "weste": "vests outerwear", "westen": "vests outerwear", "anzug": "suits", "anzüge": "suits", "sakko": "suits",
        "blazer": "coats jackets outerwear", "unterwäsche": "underwear", "unterhose": "underwear", "socken": "socks",
        "strümpfe": "hosiery", "strumpfhose": "hosiery", "bademode": "swimwear", "badehose": "swimwear",
        "bikini": "swimwear", "schlafanzug": "pajamas", "schlafanzüge": "pajamas", "overall": "jumpsuits rompers",
        "shorts": "shorts", "sportbekleidung": "activewear",
        # shoes and accessories
        "schuh": "shoes", "schuhe": "shoes", "sneaker": "shoes", "sneakers": "shoes", "turnschuhe": "shoes",
        "stiefel": "shoes", "stiefelette": "shoes", "stiefeletten": "shoes", "sandale": "shoes", "sandalen": "shoes",
        "pumps": "shoes", "ballerinas": "shoes", "hausschuhe": "shoes", "tasche": "handbags", "taschen": "handbags",
        "handtasche": "handbags", "handtaschen": "handbags", "rucksack": "backpacks", "rucksäcke": "backpacks",
        "koffer": "suitcases", "geldbörse": "wallets", "portemonnaie": "wallets", "gürtel": "belts", "hut": "hats",
        "hüte": "hats", "mütze": "hats", "mützen": "hats", "kappe": "hats", "schal": "scarves", "schals": "scarves",
        "tuch": "scarves", "handschuhe": "gloves", "krawatte": "neckties", "sonnenbrille": "sunglasses",
        "sonnenbrillen": "sunglasses", "schmuck": "jewelry", "kette": "necklaces", "ketten": "necklaces",
        "ring": "rings", "ringe": "rings", "ohrringe": "earrings", "armband": "bracelets", "armbänder": "bracelets",
        "armbanduhr": "watches", "uhr": "watches", "uhren": "watches", "regenschirm": "umbrellas",
        # home and garden
        "möbel": "furniture", "sofa": "sofas", "sofas": "sofas", "sessel": "arm chairs", "stuhl": "chairs",
        "stühle": "chairs", "tisch": "tables", "tische": "tables", "schreibtisch": "desks", "bett": "beds",
        "betten": "beds", "matratze": "mattresses", "matratzen": "mattresses", "schrank": "wardrobes",
        "schränke": "cabinets storage", "regal": "shelving bookcases", "regale": "shelving bookcases",
        "lampe": "lamps", "lampen": "lamps", "leuchte": "lighting", "leuchten": "lighting", "teppich": "rugs",
        "teppiche": "rugs", "vorhang": "curtains drapes", "vorhänge": "curtains drapes", "gardinen": "curtains drapes",
        "kissen": "pillows", "bettwäsche": "bedding linens", "handtuch": "towels", "handtücher": "towels",
        "geschirr": "dinnerware", "teller": "plates", "tasse": "mugs", "tassen": "mugs", "gläser": "drinkware",
        "topf": "cookware pots", "töpfe": "cookware pots", "pfanne": "frying pans", "pfannen": "frying pans",
        "messer": "knives", "besteck": "flatware", "garten": "garden", "pflanze": "plants", "pflanzen": "plants",
        "blumen": "flowers", "werkzeug": "tools", "bohrmaschine": "drills", "grill": "outdoor grills",
        "kaffeemaschine": "coffee makers",
        # food
        "lebensmittel": "food items", "obst": "fruits", "gemüse": "vegetables", "apfel": "apples", "äpfel": "apples",
        "birne": "pears", "birnen": "pears", "banane": "bananas", "bananen": "bananas", "kartoffeln": "potatoes",
        "tomaten": "tomatoes", "zwiebeln": "onions", "milch": "milk", "käse": "cheese", "joghurt": "yogurt",
        "brot": "bread", "saft": "juice", "säfte": "juice", "getränke": "beverages", "wasser": "water",
        "kaffee": "coffee", "tee": "tea", "wein": "wine", "bier": "beer", "fleisch": "meat", "fisch": "fish",
        "schokolade": "chocolate", "süßigkeiten": "candy", "nudeln": "pasta", "reis": "rice", "gewürze": "spices",
        # the rest of a department store
        "spielzeug": "toys", "puppe": "dolls", "puppen": "dolls", "spiel": "games", "spiele": "games",
        "bauklötze": "building toys", "kuscheltier": "stuffed animals", "kuscheltiere": "stuffed animals",
        "fahrrad": "bicycles", "fahrräder": "bicycles", "zelt": "tents", "zelte": "tents",
        "schlafsack": "sleeping bags", "buch": "books", "bücher": "books", "zeitschriften": "magazines",
        "handy": "mobile phones", "smartphone": "mobile phones", "smartphones": "mobile phones",
        "kopfhörer": "headphones", "lautsprecher": "speakers", "fernseher": "televisions", "kamera": "cameras",
        "kameras": "cameras", "drucker": "printers", "bildschirm": "monitors", "tastatur": "keyboards",
        "maus": "mice trackballs", "ladegerät": "chargers", "kabel": "cables", "parfum": "perfume cologne",
        "parfüm": "perfume cologne", "shampoo": "shampoo", "seife": "soap", "zahnbürste": "toothbrushes",
        "zahnpasta": "toothpaste", "creme": "lotion moisturizer", "lippenstift": "lipstick", "windeln": "diapers",
        "kinderwagen": "strollers", "hund": "dog", "hunde": "dog", "katze": "cat", "katzen": "cat", "futter": "food",
        "hundefutter": "dog food", "katzenfutter": "cat food", "aquarium": "aquariums", "papier": "paper",
        "stifte": "pens pencils", "bürobedarf": "office supplies", "autoteile": "vehicle parts", "reifen": "tires",
        "musikinstrumente": "musical instruments", "gitarre": "guitars", "gitarren": "guitars", "klavier": "pianos",
    }
)  # fmt: skip
