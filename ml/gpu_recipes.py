"""Presets for GPUs: published networks at their native sizes, each with the fine-tuning that its authors use.

Each backbone is an encoder, `NAME`, and a classifier, `NAME-finetune`. A learning rate is that of its batch size; on a
smaller device, lower both in proportion. Where authors fix a number of steps, a recipe has epochs, since it does not
know the number of images. This module does not import PyTorch.

Not expressible in a recipe, and left out of all of them: AutoAugment and RandAugment, in whose place stands the
3-Augment of DeiT III (Touvron et al. 2022, arXiv:2204.07118: gray, solarize or blur, and color jitter of 0.3), with
which its authors replace RandAugment; dropout before the classifier; and the smaller initial weights of heads.
"""

from dataclasses import replace

from ml.recipe_types import Augmentation, ClassifierRecipe, EncoderRecipe, Mixing, Optimization

# The augmentation of the Inception networks, with which most convolutional networks are transferred: a crop of 8 % to
# 100 % of the area, and a flip (Szegedy et al. 2015, arXiv:1409.4842).
INCEPTION_CROP = Augmentation(crop_scale=(0.08, 1.0), jitter_probability=0.0, gray_probability=0.0)
# One of the three changes for each image in the paper; here each has its probability of a third.
THREE_AUGMENT = Augmentation(
    crop_scale=(0.08, 1.0),
    jitter_probability=1.0,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.0,
    gray_probability=1 / 3,
    blur_probability=1 / 3,
    solarize_probability=1 / 3,
)


def _encoder(name: str, backbone: str, resolution: int) -> EncoderRecipe:
    return EncoderRecipe(name=name, backbone=backbone, weights="pretrained", resolution=resolution)


INCEPTION_V3 = _encoder("inception-v3-299", "inception_v3.tf_in1k", 299)
XCEPTION = _encoder("xception-299", "legacy_xception.tf_in1k", 299)
EFFICIENTNET_B3 = _encoder("efficientnet-b3-300", "tf_efficientnet_b3.ns_jft_in1k", 300)
EFFICIENTNETV2_S = _encoder("efficientnetv2-s-300", "tf_efficientnetv2_s.in21k_ft_in1k", 300)
NFNET_F0 = _encoder("nfnet-f0-256", "dm_nfnet_f0.dm_in1k", 256)  # trained at 192 px, evaluated at 256
CONVNEXT_T = _encoder("convnext-t-224", "convnext_tiny.fb_in22k", 224)
VIT_S16 = _encoder("vit-s16-224", "vit_small_patch16_224.augreg_in21k", 224)
DINOV2_S14 = _encoder("dinov2-s14-518", "vit_small_patch14_dinov2.lvd142m", 518)
DINOV3_S16 = _encoder("dinov3-s16-256", "vit_small_patch16_dinov3.lvd1689m", 256)
SIGLIP2_B16 = _encoder("siglip2-b16-224", "vit_base_patch16_siglip_224.v2_webli", 224)

GPU_ENCODERS: dict[str, EncoderRecipe] = {
    recipe.name: recipe
    for recipe in (
        *(INCEPTION_V3, XCEPTION, EFFICIENTNET_B3, EFFICIENTNETV2_S, NFNET_F0, CONVNEXT_T),
        *(VIT_S16, DINOV2_S14, DINOV3_S16, SIGLIP2_B16),
    )
}


def _finetune(
    encoder: EncoderRecipe,
    optimization: Optimization,
    augmentation: Augmentation,
    *,
    label_smoothing: float = 0.1,
    drop_path: float = 0.0,
    mixing: Mixing | None = None,
) -> ClassifierRecipe:
    return ClassifierRecipe(
        name=f"{encoder.name}-finetune",
        encoder=encoder.name,
        mode="finetune",
        optimization=optimization,
        label_smoothing=label_smoothing,
        drop_path=drop_path,
        augmentation=augmentation,
        mixing=mixing,
        execution=None,  # bfloat16 and compilation where a few timed steps show that they are faster
    )


# Kornblith et al. 2019, arXiv:1805.08974, fine-tune Inception networks, ResNets and others alike: SGD with Nesterov's
# momentum, batches of 256, a cosine, some 20,000 steps. They choose the rate from 1e-4 to 0.1, and the weight decay
# as a share of it, for each dataset; here are values amid those ranges.
TRANSFERRED = Optimization(
    epochs=30, batch_size=256, lr=0.01, optimizer="sgd", weight_decay=1e-4, warmup_epochs=1, ema_decay=0.9999
)

_FINETUNED = (
    # Label smoothing of 0.1, an average of the weights and clipping at a norm of 2 are of the network's own training
    # (Szegedy et al. 2016, arXiv:1512.00567). Its RMSProp is left to training from scratch, its auxiliary head is
    # left out.
    _finetune(INCEPTION_V3, replace(TRANSFERRED, max_grad_norm=2.0), INCEPTION_CROP),
    # Chollet 2017, arXiv:1610.02357: SGD of momentum 0.9, a weight decay of 1e-5, Polyak averaging. Its dropout of
    # 0.5 is left out, and timm's Xception has no stochastic depth.
    _finetune(XCEPTION, replace(TRANSFERRED, weight_decay=1e-5), INCEPTION_CROP, label_smoothing=0.0),
    # Tan and Le 2019, arXiv:1905.11946: transferred as Kornblith et al. do; stochastic depth of 0.2 and a weight
    # decay of 1e-5 as in their training. Its dropout of 0.3 is left out.
    _finetune(EFFICIENTNET_B3, replace(TRANSFERRED, weight_decay=1e-5), INCEPTION_CROP, drop_path=0.2),
    # Tan and Le 2021, arXiv:2104.00298, transfer: batches of 512, a rate of 0.001 with a cosine, no weight decay,
    # cutout, 10,000 steps; RMSProp, an average of 0.9999 and stochastic depth of 0.2 are of their training. Their
    # cutout's size is not given.
    _finetune(
        EFFICIENTNETV2_S,
        Optimization(
            epochs=30, batch_size=512, lr=1e-3, optimizer="rmsprop", weight_decay=0.0, warmup_epochs=1, ema_decay=0.9999
        ),
        replace(INCEPTION_CROP, erase_probability=1.0, erase_scale=(0.1, 0.25)),
        drop_path=0.2,
    ),
    # Brock et al. 2021, arXiv:2102.06171: SGD with Nesterov's momentum, a rate of 0.1 for 256 images, a weight decay
    # of 2e-5, adaptive clipping at 0.01, stochastic depth of 0.25, mixup of 0.2 and CutMix. Rate and epochs are
    # lowered for fine-tuning; their average of 0.99999 needs more steps than that. Dropout of 0.2, and the
    # sharpness-aware minimization of their fine-tuning, are left out.
    _finetune(
        NFNET_F0,
        Optimization(
            epochs=30,
            batch_size=256,
            lr=0.01,
            optimizer="sgd",
            weight_decay=2e-5,
            warmup_epochs=5,
            adaptive_clip=0.01,
            ema_decay=0.9999,
        ),
        THREE_AUGMENT,
        drop_path=0.25,
        mixing=Mixing(mixup_alpha=0.2, cutmix_alpha=1.0),
    ),
    # Liu et al. 2022, arXiv:2201.03545, and TRAINING.md of github.com/facebookresearch/ConvNeXt, from ImageNet-22K at
    # 224 px: AdamW, batches of 512, a rate of 5e-5, a weight decay of 1e-8, layer decay of 0.8, 30 epochs without
    # warm-up or mixing, random erasing of 0.25. They average the weights of the largest network alone; here, too.
    _finetune(
        CONVNEXT_T,
        Optimization(
            epochs=30, batch_size=512, lr=5e-5, weight_decay=1e-8, warmup_epochs=0, layer_decay=0.8, ema_decay=0.9999
        ),
        replace(THREE_AUGMENT, erase_probability=0.25),
        drop_path=0.1,
    ),
    # Steiner et al. 2021, arXiv:2106.10270: SGD of momentum 0.9, batches of 512, a cosine, gradients clipped at a
    # norm of 1, no weight decay and no regularization; they choose the rate from 0.001 to 0.03.
    _finetune(
        VIT_S16,
        Optimization(
            epochs=20, batch_size=512, lr=0.01, optimizer="sgd", weight_decay=0.0, warmup_epochs=1, max_grad_norm=1.0
        ),
        INCEPTION_CROP,
        label_smoothing=0.0,
    ),
    # Oquab et al. 2023, arXiv:2304.07193, fine-tune as DeiT III does (README_revenge.md of
    # github.com/facebookresearch/deit, ViT-S at a higher resolution): AdamW, batches of 512, a rate of 1e-5, a weight
    # decay of 0.1, 20 epochs with 5 of warm-up, mixup of 0.8 and CutMix of 1.0, no stochastic depth.
    *(
        _finetune(
            encoder,
            Optimization(epochs=20, batch_size=512, lr=1e-5, weight_decay=0.1, warmup_epochs=5),
            THREE_AUGMENT,
            mixing=Mixing(mixup_alpha=0.8, cutmix_alpha=1.0),
        )
        for encoder in (DINOV2_S14, DINOV3_S16)  # the paper of DINOv3 evaluates frozen, so it has that of its elder
    ),
    # The paper of SigLIP 2 (Tschannen et al. 2025, arXiv:2502.14786) fine-tunes no classifier. Dong et al. 2022,
    # arXiv:2212.06138, fine-tune CLIP's tower of the same shape: AdamW, a rate of 6e-4 for batches of 2,048, layer
    # decay of 0.6, a weight decay of 0.05, 50 epochs with 10 of warm-up, an average of 0.9998, no mixing and no
    # stochastic depth.
    _finetune(
        SIGLIP2_B16,
        Optimization(
            epochs=50,
            batch_size=512,
            lr=1.5e-4,
            weight_decay=0.05,
            warmup_epochs=10,
            layer_decay=0.6,
            ema_decay=0.9998,
        ),
        THREE_AUGMENT,
    ),
)
GPU_CLASSIFIERS: dict[str, ClassifierRecipe] = {recipe.name: recipe for recipe in _FINETUNED}
