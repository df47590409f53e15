"""Model folders of Hugging Face and CTranslate2, and spaCy pipelines, as the parts use them."""
