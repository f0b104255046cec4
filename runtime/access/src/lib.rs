//! Tokens in and out, authorization and admission: the only maker of permits.
