"""Translation of what a person reads, as every OpenStack client does it."""

import oslo_i18n

_translators = oslo_i18n.TranslatorFactory(domain="osc_image_v1")

#: Marks a message for translation.
_ = _translators.primary
