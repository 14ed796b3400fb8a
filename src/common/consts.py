"""Settings. Edit them here, or override most of them by a flag of the command (`--help`)."""

# The data set and the model that converting, training, freezing and analysis work on without `--name` and
# `--model`. `classify` and `serve` then use the model that ships (paths.POCKET_DOGS).
CURRENT_DATASET_NAME = 'stanford'
CURRENT_MODEL_NAME = 'stanford_5_64_0001'

# Units in each layer of the head: what enters it (the bottleneck's width), hidden layers, classes.
# While they stand as here, the first and the last number follow the backbone and the data set.
HEAD_MODEL_LAYERS = [2048, 1024, 120]

# Training of the head.
BATCH_SIZE = 64
LEARNING_RATE = 0.0004  # at first; cosine decay to zero over STEPS
STEPS = 2500
STEPS_OF_A_CLASS = 250  # with --all-splits, where no validation photos end the training: at most so many
DROPOUT = 0.5
L2 = 0.0
MIXUP = 1.0  # mixup alpha: lambda ~ Beta(alpha, alpha); 0 disables it
SEED = 1
PATIENCE = 10  # evaluations without a better validation log loss before training stops

# Bottlenecks or decoded pictures that need more memory are read from the records during training.
MAX_EXAMPLE_BYTES = 2 << 30

# Tensors of the 2015 Inception graph and of what `freeze` writes.
IMAGE_TENSOR = 'DecodeJpeg/contents:0'  # one encoded image, string scalar
PIXELS_TENSOR = 'ResizeBilinear:0'  # [N, height, width, 3] float32, 0 to 255
BOTTLENECK_TENSOR = 'pool_3:0'
OUTPUT_NODE_NAME = 'output_node'
OUTPUT_TENSOR_NAME = OUTPUT_NODE_NAME + ':0'  # [N, classes] float32, rows sum to 1
# Signature of a SavedModel: encoded images, string [N], to probabilities [N, classes] float32.
SERVING_INPUT, SERVING_OUTPUT = 'image_raw', 'probs'

# Fields of a record.
ID_FIELD = 'id'
IMAGE_RAW_FIELD = 'image_raw'
LABEL_FIELD = 'label'
LABEL_ONE_HOT_FIELD = 'label_one_hot'
INCEPTION_OUTPUT_FIELD = 'inception_output'

SPLITS = ('train', 'validation', 'test')
UNLABELLED = 'unlabelled'  # photos to be named, as in Kaggle's test set
# Shares of the validation and test splits when the data set has no lists of its own.
VALIDATION_SHARE = 0.1
TEST_SHARE = 0.1

# Larger pictures are refused before they are decoded. JPEGs may have four times as many pixels (phone cameras
# have 200 million), as they can be decoded at a fraction of their size.
MAX_IMAGE_PIXELS = 120_000_000

# Height and width of the pixels that a graph may ask for.
LARGEST_INPUT_SIDE = 8192

# Memory for decoding and resizing pictures, in all threads of a process together, and for one picture, both
# estimated from its header. The rest is kept for small pictures, which never wait for large ones. A picture
# that needs more is decoded at a fraction of its size, or refused.
DECODING_BYTES = 600_000_000
PICTURE_BYTES = 520_000_000  # 120 million pixels of 4 bytes, and what is left of them
# CPU time for one picture, estimated from its header. Decoding cannot be interrupted.
PICTURE_SECONDS = 5
# Scans of a JPEG. Encoders write 10, and optimizers some tens; libjpeg-turbo's own tests with hostile files
# stop at 500 (https://github.com/libjpeg-turbo/libjpeg-turbo/blob/main/fuzz/decompress.cc).
MAX_SCANS = 500

# Bytes of encoded pictures that a conversion reads ahead; as many again are in batches of half the size.
ENCODED_BYTES = 128_000_000

# Bytes of request bodies that a server holds until they are answered, in memory and in temporary files; half
# of them for one client.
RECEIVED_BYTES = 500_000_000

# Bytes of a text file that is read, such as labels.csv, a submission or a list of some million photos; and of
# an annotation in XML or a list in MATLAB's format, which is compressed. Stanford's annotations have 1,000,
# its lists less than 500,000.
TEXT_BYTES = 500_000_000
ANNOTATION_BYTES = 1_000_000

# About so many records in one TFRecord file: what a conversion redoes at most after it was killed.
SHARD_SIZE = 512
# Images that go through a backbone at once.
EXTRACTION_BATCH_SIZE = 16
